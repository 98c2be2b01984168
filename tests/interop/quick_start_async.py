"""The asynchronous quick start of the released SDK's page; only the URL is ours."""
# ruff: noqa: T201 - what it prints is what the test reads

import asyncio
import os

from agenttier import AsyncAgentTierClient


async def main():
    async with AsyncAgentTierClient(api_url=os.environ["AGENTTIER_API_URL"]) as client:
        sandbox = await client.create_sandbox(template="general-coding", name="demo")
        await sandbox.wait_until_running()
        result = await sandbox.exec("uname -a")
        print(result.stdout)
        await sandbox.terminate()


asyncio.run(main())
