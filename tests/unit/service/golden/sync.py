"""What tritonclient 2.73.0 (sync) sends, as tests/integration/conformance/golden.py saw it."""

REQUESTS = {
    "live": (
        b"GET /v2/health/live HTTP/1.1\r\nUser-Agent: python/gevent-http-client-2.6.1\r\nHost: 127.0.0.1:3000\r\n\r\n"
    ),
    "ready": (
        b"GET /v2/health/ready HTTP/1.1\r\nUser-Agent: python/gevent-http-client-2.6.1\r\nHost: 127.0.0.1:3000\r\n\r\n"
    ),
    "model-ready": (
        b"GET /v2/models/cnn/ready HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"\r\n"
    ),
    "version-ready": (
        b"GET /v2/models/cnn/versions/1/ready HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"\r\n"
    ),
    "server": (b"GET /v2 HTTP/1.1\r\nUser-Agent: python/gevent-http-client-2.6.1\r\nHost: 127.0.0.1:3000\r\n\r\n"),
    "metadata": (
        b"GET /v2/models/gate-xor HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"\r\n"
    ),
    "version-metadata": (
        b"GET /v2/models/cnn/versions/1 HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"\r\n"
    ),
    "query": (
        b"GET /v2/models/cnn?tenant=x+y%26z HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"X-Mine: 1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"\r\n"
    ),
    "odd-name": (
        b"GET /v2/models/a%20b%25%3F%23%C3%A9 HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"\r\n"
    ),
    "config": (
        b"GET /v2/models/gate-xor/config HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"\r\n"
    ),
    "version-config": (
        b"GET /v2/models/cnn/versions/1/config HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"\r\n"
    ),
    "index": (
        b"POST /v2/repository/index HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 0\r\n"
        b"\r\n"
    ),
    "load": (
        b"POST /v2/repository/models/gate-xor/load HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 2\r\n"
        b"\r\n"
        b"{}"
    ),
    "load-config": (
        b"POST /v2/repository/models/gate-xor/load HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 65\r\n"
        b"\r\n"
        b'{"parameters":{"config":"{}","file:1/model.onnx":"YW55dGhpbmc="}}'
    ),
    "unload": (
        b"POST /v2/repository/models/gate-xor/unload HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 42\r\n"
        b"\r\n"
        b'{"parameters":{"unload_dependents":false}}'
    ),
    "stats": (
        b"GET /v2/models/stats HTTP/1.1\r\nUser-Agent: python/gevent-http-client-2.6.1\r\nHost: 127.0.0.1:3000\r\n\r\n"
    ),
    "version-stats": (
        b"GET /v2/models/gate-xor/versions/1/stats HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"\r\n"
    ),
    "infer": (
        b"POST /v2/models/gate-xor/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Inference-Header-Content-Length: 139\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 147\r\n"
        b"\r\n"
        b'{"inputs":[{"name":"inputs","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"p'
        b'arameters":{"binary_data_output":true}}'
        b"\x00\x00\x00\x00\x00\x00\x80?"
    ),
    "infer-version": (
        b"POST /v2/models/gate-xor/versions/1/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Inference-Header-Content-Length: 139\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 147\r\n"
        b"\r\n"
        b'{"inputs":[{"name":"inputs","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"p'
        b'arameters":{"binary_data_output":true}}'
        b"\x00\x00\x00\x00\x00\x00\x80?"
    ),
    "infer-id": (
        b"POST /v2/models/gate-xor/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Inference-Header-Content-Length: 149\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 157\r\n"
        b"\r\n"
        b'{"id":"42","inputs":[{"name":"inputs","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_siz'
        b'e":8}}],"parameters":{"binary_data_output":true}}'
        b"\x00\x00\x00\x00\x00\x00\x80?"
    ),
    "infer-json": (
        b"POST /v2/models/gate-xor/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 120\r\n"
        b"\r\n"
        b'{"inputs":[{"name":"inputs","shape":[1,2],"datatype":"FP32","data":[0.0,1.0]}],"parameters":{"binary'
        b'_data_output":true}}'
    ),
    "infer-json-json": (
        b"POST /v2/models/gate-xor/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 145\r\n"
        b"\r\n"
        b'{"inputs":[{"name":"inputs","shape":[1,2],"datatype":"FP32","data":[0.0,1.0]}],"outputs":[{"name":"o'
        b'utputs","parameters":{"binary_data":false}}]}'
    ),
    "infer-outputs": (
        b"POST /v2/models/gate-xor/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Inference-Header-Content-Length: 223\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 231\r\n"
        b"\r\n"
        b'{"inputs":[{"name":"inputs","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"o'
        b'utputs":[{"name":"outputs","parameters":{"binary_data":false}},{"name":"probabilities","parameters":'
        b'{"binary_data":true}}]}'
        b"\x00\x00\x00\x00\x00\x00\x80?"
    ),
    "infer-mixed": (
        b"POST /v2/models/gate-xor/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Inference-Header-Content-Length: 206\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 214\r\n"
        b"\r\n"
        b'{"inputs":[{"name":"inputs","shape":[1,2],"datatype":"FP32","data":[0.0,1.0]},{"name":"inputs","shap'
        b'e":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"parameters":{"binary_data_output":'
        b"true}}"
        b"\x00\x00\x00\x00\x00\x00\x80?"
    ),
    "infer-scheduled": (
        b"POST /v2/models/gate-xor/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Inference-Header-Content-Length: 181\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 189\r\n"
        b"\r\n"
        b'{"inputs":[{"name":"inputs","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"p'
        b'arameters":{"priority":1,"timeout":1500000,"binary_data_output":true,"mine":"x"}}'
        b"\x00\x00\x00\x00\x00\x00\x80?"
    ),
    "infer-sequence": (
        b"POST /v2/models/gate-xor/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Inference-Header-Content-Length: 198\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 206\r\n"
        b"\r\n"
        b'{"inputs":[{"name":"inputs","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"p'
        b'arameters":{"sequence_id":7,"sequence_start":true,"sequence_end":false,"binary_data_output":true}}'
        b"\x00\x00\x00\x00\x00\x00\x80?"
    ),
    "infer-classes": (
        b"POST /v2/models/cnn/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Inference-Header-Content-Length: 189\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 289\r\n"
        b"\r\n"
        b'{"inputs":[{"name":"images","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":100}}],"'
        b'outputs":[{"name":"probabilities","parameters":{"classification":2,"binary_data":true}}]}'
        b"`\x00\x00\x00\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x0c"
        b"\x00\x00\x00\x0c\x01\x00\x00\x00\x00~\x0eaJ\x00\x00\x00'IDATx\xda\x05"
        b"\xc1\x01\x11\x00 \x08\x00\xb1\xe7\x8f\x1eT\xb6\xa2\x114\x00\xb0\xc5<!\xef\xb1\x88"
        b"\xfe\x82\x83`#\x98\x08\x0b\xb8\xc5\x07\x8a>\x811\xf8\x00\x00\x00\x00IEND"
        b"\xaeB`\x82"
    ),
    "infer-picture-json": (
        b"POST /v2/models/cnn/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 242\r\n"
        b"\r\n"
        b'{"inputs":[{"name":"images","shape":[1],"datatype":"BYTES","data":["iVBORw0KGgoAAAANSUhEUgAAAAwAAAAM'
        b'AQAAAAB+DmFKAAAAJ0lEQVR42gXBAREAIAgAseePHlS2ohE0ALDFPCHvsYj+goNgI5gIC7jFB4o+gTH4AAAAAElFTkSuQmCC"]}]'
        b',"parameters":{"binary_data_output":true}}'
    ),
    "infer-gzip": (
        b"POST /v2/models/cnn/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Content-Encoding: gzip\r\n"
        b"Accept-Encoding: gzip\r\n"
        b"Inference-Header-Content-Length: 146\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 139\r\n"
        b"\r\n"
        b"\x1f\x8b\x08\x00X\x1a\nk\x02\xff\xabV\xca\xcc+(-)V\xb2\x8a\xaeV\xca"
        b"K\xccMU\xb2R\xca\xccMLO-V\xd2Q*\xceH,\x00\nD\x1b\xea"
        b"\x18Y\x00Q\xac\x8eRJbIbI%HP)\xd4\xd3/\xc4\x02\xa8\xa8 "
        b"\xb1\x08\xa8\xad$\xb5\x08hF\xb5RRf^bQe<H]|qf\x15"
        b"P\xa1\xb9\x85Imm,>u\xf9\xa5%@'(Y\x95\x14\x95\xa6\xd6\xd62"
        b"@\xc0\x7f\x86Q0\nF\x01\x03\x00w\xe0\x03\xb4\xa2\x03\x00\x00"
    ),
    "infer-deflate": (
        b"POST /v2/models/cnn/infer HTTP/1.1\r\n"
        b"User-Agent: python/gevent-http-client-2.6.1\r\n"
        b"Content-Encoding: deflate\r\n"
        b"Accept-Encoding: deflate\r\n"
        b"Inference-Header-Content-Length: 146\r\n"
        b"Host: 127.0.0.1:3000\r\n"
        b"Content-Length: 127\r\n"
        b"\r\n"
        b"x\x9c\xabV\xca\xcc+(-)V\xb2\x8a\xaeV\xcaK\xccMU\xb2R\xca\xcc"
        b"MLO-V\xd2Q*\xceH,\x00\nD\x1b\xea\x18Y\x00Q\xac\x8eRJ"
        b"bIbI%HP)\xd4\xd3/\xc4\x02\xa8\xa8 \xb1\x08\xa8\xad$\xb5\x08h"
        b"F\xb5RRf^bQe<H]|qf\x15P\xa1\xb9\x85Imm,"
        b">u\xf9\xa5%@'(Y\x95\x14\x95\xa6\xd6\xd62@\xc0\x7f\x86Q0\nF"
        b"\x01\x03\x00<\xe33e"
    ),
}
