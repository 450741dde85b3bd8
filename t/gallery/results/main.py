# main() is called with the arguments, and what it returns is JSON
# options: {"main": {"arguments": {"a": 2, "b": "ä"}}}
# stdout: "main\nin main\n"
# shown: {"@return": "{\"sum\":[2,\"ä\",3.0],\"none\":null,\"nan\":null}"}
def main(a, b, c=3.0):
    print('in main')
    return {'sum': (a, b, c), 'none': None, 'nan': float('nan')}
print(__name__)
if __name__ == '__main__':
    main(0, 0)
