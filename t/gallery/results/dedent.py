# options: {"dedent": true}
# stdout: "1\n\n    a\n"
# shown: {"@error": {"has": {"name": "KeyError", "traceback": "Traceback (most recent call last):\n  File \"main.py\", line 9, in <module>\n    raise KeyError(x)\nKeyError: 1\n"}}}
# status: error
# stderr: {"like": "KeyError"}
x = 1
print(x)
print("\n    a")
raise KeyError(x)
