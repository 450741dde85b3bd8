# Neither None nor what a semicolon hides nor a statement is a value
# options: {"last_value": true}
# stdout: "x\n"
1
print('x')
