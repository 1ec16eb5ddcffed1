"""What a `grpcurl`-like client needs: services and messages described by the server."""

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

TIMEOUT = 60


@pytest.fixture
def ask(server):
    """Asks the reflection service one thing."""
    with grpc.insecure_channel(server.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)

        def one(**question):
            request = reflection_pb2.ServerReflectionRequest(**question)
            (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=TIMEOUT)
            return answer

        yield one


def test_the_services_are_listed(ask):
    answer = ask(list_services="").list_services_response
    assert {
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
    } < {service.name for service in answer.service}


def _pool(ask, symbol):
    """A pool of descriptions that came from the server alone."""
    files, wanted = {}, [("file_containing_symbol", symbol)]
    while wanted:
        kind, name = wanted.pop()
        answer = ask(**{kind: name}).file_descriptor_response
        for data in answer.file_descriptor_proto:
            proto = descriptor_pb2.FileDescriptorProto.FromString(data)
            if proto.name not in files:
                files[proto.name] = proto
                wanted += [("file_by_filename", each) for each in proto.dependency]
    pool = descriptor_pool.DescriptorPool()

    def add(proto):
        for each in proto.dependency:
            add(files[each])
        pool.Add(proto)

    for proto in files.values():
        add(proto)
    return pool


def test_a_model_is_called_with_nothing_but_what_the_server_tells(ask, server):
    pool = _pool(ask, "tensorflow.serving.PredictionService")
    service = pool.FindServiceByName("tensorflow.serving.PredictionService")
    method = service.methods_by_name["Predict"]
    request = message_factory.GetMessageClass(method.input_type)()
    request.model_spec.name = "linear"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add().size = 1
    request.inputs["x"].float_val.append(4.0)
    answer = message_factory.GetMessageClass(method.output_type)
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary(
            f"/{service.full_name}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        assert list(call(request, timeout=TIMEOUT).outputs["y"].float_val) == [4.0]
