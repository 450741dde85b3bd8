# A directory for what main() leaves
# options: {"main": {}, "directories": ["artifacts"]}
# shown: {"@return": "[\"artifacts\"]"}
import os
def main():
    open('artifacts/x.csv', 'w').write('1')
    return os.listdir()
