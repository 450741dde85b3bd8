# Causes, and the name that was meant
# status: error
# stderr: {"like": "Did you mean: 'value'"}
# shown: {"@error": {"has": {"name": "NameError", "value": "name 'valu' is not defined"}, "like": "KeyError: 1.*direct cause|During handling.*Did you mean"}}
value = {}
try:
    value[1]
except KeyError:
    valu
