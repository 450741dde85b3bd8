# What JSON does not have is an error
# options: {"main": {}}
# status: error
# stderr: "TypeError: Object of type set is not JSON serializable\n"
# shown: {"@error": {"has": {"name": "TypeError"}}}
def main():
    return {1}
