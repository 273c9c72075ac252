"""A MongoDB over a real socket, in memory; run by another Python (3.13 or later) that has mongoeco."""

import asyncio

from mongoeco.engines.memory import MemoryEngine
from mongoeco.wire.proxy import AsyncMongoEcoProxyServer


async def main() -> None:
    """Serve on a free port, print its URI, and never end."""
    server = AsyncMongoEcoProxyServer(engine=MemoryEngine(), port=0, mongodb_dialect="7.0", pymongo_profile="4.9")
    await server.start()
    print(server.address.uri, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
