"""A custom runtime of MLServer's: tensors as arrays, pictures as base64, by its own codecs."""

from mlserver import MLModel
from mlserver.codecs import Base64Codec, NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, RequestInput

from benchmarks.peers.reader import Images, Reader, checked, decode


class Digits(MLModel):
    """Reads the first input of a request."""

    async def load(self) -> bool:
        self.reader = Reader()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        try:
            images = self.images(payload.inputs[0])
        except (ValueError, OSError) as error:
            raise InferenceError(str(error)) from error
        probabilities = self.reader.read(images)
        outputs = {"probabilities": probabilities, "digits": probabilities.argmax(axis=1)}
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            id=payload.id,
            outputs=[NumpyCodec.encode_output(name, output) for name, output in outputs.items()],
        )

    def images(self, tensor: RequestInput) -> Images:
        if tensor.datatype == "BYTES":
            return decode(self.decode(tensor, default_codec=Base64Codec)[0])
        return checked(self.decode(tensor, default_codec=NumpyCodec).astype(int, copy=False))
