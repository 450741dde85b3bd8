# options: {"main": {}}
# stdout: "x\n"
import sys
def main():
    print('x')
    sys.exit(0)
