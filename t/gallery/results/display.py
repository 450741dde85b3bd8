# display() needs no import; each object is a result
# shown: {"text": "1"}
# shown: {"text": "'a\\nä'"}
# shown: {"text": "{'k': [1, 2]}"}
# shown: {"text": "None"}
# stdout: "None\n"
print(display(1, 'a\nä', {'k': [1, 2]}, None))
