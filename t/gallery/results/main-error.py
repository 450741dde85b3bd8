# Its errors begin in the program
# options: {"main": {"arguments": {"x": 0}}}
# status: error
# stderr: "Traceback (most recent call last):\n  File \"main.py\", line 7, in main\n    return 1 / x\n           ~~^~~\nZeroDivisionError: division by zero\n"
# shown: {"@error": {"has": {"name": "ZeroDivisionError"}, "unlike": "capture"}}
def main(x):
    return 1 / x
