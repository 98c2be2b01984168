"""The synchronous quick start of the released SDK's page; only the URL is ours."""
# ruff: noqa: T201 - what it prints is what the test reads

import os

from agenttier import AgentTierClient

with AgentTierClient(api_url=os.environ["AGENTTIER_API_URL"]) as client:
    sandbox = client.create_sandbox(template="general-coding", name="demo")
    sandbox.wait_until_running()

    result = sandbox.exec("echo 'hello from AgentTier'")
    print(result.stdout, "exit", result.exit_code)

    port = sandbox.forward_port(8080)
    print("Forwarded:", port.preview_url or port.internal_url)

    sandbox.terminate()
