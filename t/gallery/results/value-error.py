# An error in the last expression is where it was
# options: {"last_value": true}
# status: error
# stderr: "Traceback (most recent call last):\n  File \"main.py\", line 9, in <module>\n    x + (1 / 0)\n         ~~^~~\nZeroDivisionError: division by zero\n"
# shown: {"@error": {"json": {"name": "ZeroDivisionError", "value": "division by zero", "traceback": "Traceback (most recent call last):\n  File \"main.py\", line 9, in <module>\n    x + (1 / 0)\n         ~~^~~\nZeroDivisionError: division by zero\n"}}}
x = 1

# not yet
x + (1 / 0)
