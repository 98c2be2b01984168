import asyncio

from agenttier import AsyncAgentTierClient


async def main():
    async with AsyncAgentTierClient.from_env() as client:
        async with client.create_sandbox("general-coding", wait=True) as sandbox:
            print((await sandbox.exec("echo hello")).stdout)


asyncio.run(main())
