# The value of the last expression
# options: {"last_value": true}
# shown: {"text": "[1, 'ä']", "@main": ""}
"""A docstring"""
x = [1, 'ä']
x  # a comment; with a semicolon
