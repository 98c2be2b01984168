from agenttier import AgentTierClient

with AgentTierClient.from_env() as client:
    with client.create_sandbox("general-coding", wait=True) as sandbox:
        print(sandbox.exec("echo hello", check=True).stdout)
