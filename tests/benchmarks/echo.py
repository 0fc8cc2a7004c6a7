"""An empty servicer for the same messages, on the same runtime, without any of our interceptors: what a call costs at least."""

from __future__ import annotations

import sys

import grpc
import uvloop
from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.ingest.v1 import ingest_service_pb2_grpc


class Echo(ingest_service_pb2_grpc.IngestServiceServicer):
    """Answers at once."""

    async def RecordConversation(self, request: pb.RecordConversationRequest, context: object) -> pb.RecordConversationResponse:  # noqa: N802
        return pb.RecordConversationResponse(conversation_id=request.conversation.conversation_id)


async def main(port: int) -> None:
    server = grpc.aio.server()
    ingest_service_pb2_grpc.add_IngestServiceServicer_to_server(Echo(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
