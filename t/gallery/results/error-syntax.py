# A program that is none
# status: error
# stderr: {"like": "line 6\n    x = = 1\n"}
# shown: {"@error": {"has": {"name": "SyntaxError"}, "like": "main.py.*line 6.*x = = 1"}}

x = = 1
