# options: {"main": {"arguments": null}}
# status: error
# stderr: "NameError: name 'main' is not defined\n"
# shown: {"@error": {"has": {"name": "NameError", "traceback": "NameError: name 'main' is not defined\n"}}}
x = 1
