# options: {"last_value": true}
# shown: {"text": "'only this'", "@main": ""}
# stdout: ""
"only this"
