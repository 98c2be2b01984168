"""Calls every method of the released SDK that this project answers, and prints what came back.

Usage: python every_method.py sync|async
"""
# ruff: noqa: T201 - what it prints is what the test reads

import asyncio
import importlib.metadata
import inspect
import json
import os
import sys

import agenttier


async def done(value):
    """What a call of either colour returns."""
    return await value if inspect.isawaitable(value) else value


async def outcome(call):
    """What a call returns, or the name of what it raises."""
    try:
        return repr(await done(call()))
    except Exception as error:
        return type(error).__name__


async def main(colour):
    kind = {"sync": agenttier.AgentTierClient, "async": agenttier.AsyncAgentTierClient}[colour]
    client = kind(api_url=os.environ["AGENTTIER_API_URL"])
    seen = {"version": importlib.metadata.version("agenttier")}

    sandbox = await done(
        client.create_sandbox(
            "general-coding", "m", timeout="1h", idle_timeout="30m", storage_size="1Gi"
        )
    )
    seen["create"] = [sandbox.id, sandbox.name, sandbox.namespace]
    seen["exec too early"] = await outcome(lambda: sandbox.exec("true"))
    seen["create again"] = await outcome(lambda: client.create_sandbox("general-coding", "m"))
    summary = await done(sandbox.wait_until_running(timeout=30, poll_interval=0.01))
    seen["wait"] = [summary.status, summary.template_ref]
    seen["status"] = (await done(sandbox.status())).status
    seen["get"] = (await done(client.get_sandbox("m"))).name
    listed = await done(client.list_sandboxes(namespace="default", status="Running"))
    seen["list"] = [[item.sandbox_id, item.pod_name] for item in listed]
    seen["get unknown"] = await outcome(lambda: client.get_sandbox("unknown"))

    result = await done(sandbox.exec("echo out; echo err >&2; exit 3", timeout=4))
    seen["exec"] = [result.stdout, result.stderr, result.exit_code]

    port = await done(sandbox.forward_port(3000))
    seen["forward"] = [port.port, port.protocol, port.internal_url, port.preview_url]
    seen["ports"] = [item.port for item in await done(sandbox.list_ports())]
    await done(sandbox.remove_port(3000))
    seen["ports left"] = await done(sandbox.list_ports())

    await done(sandbox.stop())
    while (await done(sandbox.status())).status == "Running":
        continue
    seen["exec stopped"] = await outcome(lambda: sandbox.exec("true"))
    await done(sandbox.resume())
    seen["resumed"] = (await done(sandbox.wait_until_running(30, 0.01))).status

    seen["templates"] = "general-coding" in [t.name for t in await done(client.list_templates())]
    seen["template"] = (await done(client.get_template("general-coding"))).spec["harness"][
        "useHTTPExec"
    ]
    seen["get unknown template"] = await outcome(lambda: client.get_template("unknown"))
    seen["user"] = await outcome(client.current_user)

    await done((await done(client.create_sandbox("general-coding", "n"))).delete())
    await done(sandbox.terminate())
    while await outcome(sandbox.status) != "NotFoundError":
        continue
    seen["list after"] = await done(client.list_sandboxes())
    await done(client.close())
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
