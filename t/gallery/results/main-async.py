# options: {"main": {"arguments": {}}, "last_value": true}
# shown: {"text": "'v'", "@main": ""}
# shown: {"@return": "7"}
import asyncio
async def main():
    await asyncio.sleep(0)
    return 7
'v'
