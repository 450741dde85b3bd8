# An error has the program's frames only; stderr has all
# status: error
# stderr: {"like": "json/decoder.py"}
# shown: {"@error": {"json": {"name": "JSONDecodeError", "value": "Expecting value: line 1 column 1 (char 0)", "traceback": "Traceback (most recent call last):\n  File \"main.py\", line 8, in <module>\n    f()\n  File \"main.py\", line 7, in f\n    return json.loads('x')\n           ^^^^^^^^^^^^^^^\njson.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)\n"}}}
import json
def f():
    return json.loads('x')
f()
