from agenttier import AgentTierClient, APIKeyAuth
from pytest_agenttier import FakeRouter

with FakeRouter() as router:
    with AgentTierClient(router.url, auth=APIKeyAuth(router.api_key)) as client:
        sandbox = client.create_sandbox("general-coding", wait=True)
        print(sandbox.exec("echo hello").stdout)
