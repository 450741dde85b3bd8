# stdout: "once\n"
# options: {"last_value": true}
print('once')
