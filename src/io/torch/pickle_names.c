/* What may stand in a pickle as the name of a class or function. It is never looked up or called, so the list keeps no
 * code from running: it keeps files from being taken for what they are not. */
#include "io/torch/pickle.h"

#include <string.h>

typedef struct known {
    const char *module;
    const char *const *names; /* NULL at the end */
} known;

#define NAMES (const char *const[])

static const known modules[] = {
    { "collections", NAMES{ "OrderedDict", "Counter", "defaultdict", NULL } },
    { "builtins", NAMES{ "set", "frozenset", "complex", "bytearray", "list", "dict", "int", "float", "slice", "bool", "str", "tuple", NULL } },
    { "__builtin__", NAMES{ "set", "frozenset", "complex", "bytearray", "list", "dict", "int", "float", "slice", "bool", "str", "tuple", NULL } },
    { "_codecs", NAMES{ "encode", NULL } },
    { "copyreg", NAMES{ "_reconstructor", NULL } },
    { "copy_reg", NAMES{ "_reconstructor", NULL } },
    { "types", NAMES{ "SimpleNamespace", NULL } },
    { "argparse", NAMES{ "Namespace", NULL } },
    { "pathlib", NAMES{ "PosixPath", "PurePosixPath", NULL } },
    { "pathlib._local", NAMES{ "PosixPath", "PurePosixPath", NULL } },
    { "io", NAMES{ "BytesIO", NULL } },
    { "_io", NAMES{ "BytesIO", NULL } },
    { "signal", NAMES{ "Signals", NULL } },
    { "datetime", NAMES{ "timedelta", "datetime", NULL } },
    { "numpy", NAMES{ "ndarray", "dtype", NULL } },
    { "numpy.core.multiarray", NAMES{ "_reconstruct", "scalar", NULL } },
    { "numpy._core.multiarray", NAMES{ "_reconstruct", "scalar", NULL } },
    { "numpy.core.numeric", NAMES{ "_frombuffer", NULL } },
    { "numpy._core.numeric", NAMES{ "_frombuffer", NULL } },
    { "numpy.dtypes", NAMES{ "UInt32DType", "Int64DType", "Float64DType", NULL } },
    { "torch", NAMES{ "Size", "Tensor", "device", "Generator", "DoubleStorage", "FloatStorage", "HalfStorage", "BFloat16Storage",
                      "LongStorage", "IntStorage", "ShortStorage", "CharStorage", "ByteStorage", "BoolStorage",
                      "ComplexFloatStorage", "ComplexDoubleStorage", "QInt8Storage", "QUInt8Storage", "QInt32Storage",
                      "Float8_e4m3fnStorage", "Float8_e5m2Storage",
                      "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
                      "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2", "int64", "int32", "int16", "int8", "uint8", "uint16",
                      "uint32", "uint64", "bool", "complex64", "complex128", "strided", "contiguous_format", "preserve_format",
                      NULL } },
    { "torch._C", NAMES{ "Generator", NULL } },
    { "torch.storage", NAMES{ "UntypedStorage", "TypedStorage", "_load_from_bytes", NULL } },
    { "torch.serialization", NAMES{ "_get_layout", NULL } },
    { "torch.nn.parameter", NAMES{ "Parameter", "Buffer", NULL } },
    { "torch._tensor", NAMES{ "_rebuild_from_type_v2", NULL } },
    { "torch._utils", NAMES{ "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter",
                             "_rebuild_parameter_with_state", "_rebuild_device_tensor_from_numpy", NULL } },
    { "torch.distributed.checkpoint.metadata",
      NAMES{ "Metadata", "TensorStorageMetadata", "TensorProperties", "ChunkStorageMetadata", "BytesStorageMetadata",
             "MetadataIndex", "StorageMeta", "_MEM_FORMAT_ENCODING", NULL } },
    { "torch.distributed.checkpoint.planner",
      NAMES{ "SavePlan", "WriteItem", "WriteItemType", "TensorWriteData", "BytesIOWriteData", NULL } },
    { "torch.distributed.checkpoint.filesystem", NAMES{ "_StorageInfo", "_StoragePrefix", NULL } },
};

/* Packages whose classes may be named whatever they are called. */
static const char *const packages[] = { "megatron", "mindspeed", "mindspeed_llm", "modellink", "transformer_engine" };

static bool is_of(const char *module, const char *package)
{
    const size_t n = strlen(package);
    return !strncmp(module, package, n) && (!module[n] || module[n] == '.');
}

bool ts_pickle_may_name(const char *module, const char *name)
{
    for (size_t i = 0; i < sizeof packages / sizeof *packages; i++)
        if (is_of(module, packages[i]))
            return true;
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        for (size_t k = 0; !strcmp(modules[i].module, module) && modules[i].names[k]; k++)
            if (!strcmp(modules[i].names[k], name))
                return true;
    return false;
}
