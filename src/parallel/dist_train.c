#include "parallel/dist_train.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

#define LL(n) ((long long)(n))

/* ---- the file ---- */

static ts_status wrong(const ts_parallel_options *o, const char *what)
{
    return ts_error(TS_ERR_USER, "--dist-train-config %s: %s", o->dist_config, what);
}

static ts_status check_keys(const char *path, const json_t *o)
{
    static const char *const known[] = { "name", "model_index", "world_size", "tensor_model_parallel_size",
                                         "pipeline_model_parallel_size", "context_parallel_size", "forward_only",
                                         "main_dp" };
    for (void *at = json_object_iter((json_t *)(uintptr_t)o); at; at = json_object_iter_next((json_t *)(uintptr_t)o, at)) {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(known[i], json_object_iter_key(at)))
            i++;
        if (i == sizeof known / sizeof *known)
            return ts_error(TS_ERR_USER,
                            "--dist-train-config %s: %s is not known of a network; there are name, model_index, "
                            "world_size, tensor_model_parallel_size, pipeline_model_parallel_size, "
                            "context_parallel_size, forward_only and main_dp", path, json_object_iter_key(at));
    }
    return TS_OK;
}

/* One network, at its place in *out; *main counts those that are said to be it. */
static ts_status read_network(const ts_parallel_options *o, const json_t *v, int n, ts_dist_train *out, int *main)
{
    const char *path = o->dist_config, *name;
    ts_dist_network x = { 0 };
    int64_t index;
    bool is_main;
    if (!json_is_object(v))
        return wrong(o, "expected a list of networks, each with name, model_index and world_size");
    TS_TRY(check_keys(path, v));
    TS_TRY(ts_json_text(v, path, "name", "", &name));
    TS_TRY(ts_json_int(v, path, "model_index", -1, 0, n - 1, &index));
    TS_TRY(ts_json_int(v, path, "world_size", 0, 1, 1 << 24, &x.processes));
    TS_TRY(ts_json_int(v, path, "tensor_model_parallel_size", 1, 1, 1 << 20, &x.tensor));
    TS_TRY(ts_json_int(v, path, "pipeline_model_parallel_size", 1, 1, 1 << 16, &x.pipeline));
    TS_TRY(ts_json_int(v, path, "context_parallel_size", 1, 1, 1 << 20, &x.context));
    TS_TRY(ts_json_bool(v, path, "forward_only", false, &x.forward_only));
    TS_TRY(ts_json_bool(v, path, "main_dp", false, &is_main));
    *main += is_main;
    if (!*name || index < 0 || !x.processes)
        return wrong(o, "a network has no name, model_index or world_size");
    if (out->network[index].processes)
        return ts_error(TS_ERR_USER, "--dist-train-config %s: two networks have the model_index %lld", path, LL(index));
    snprintf(x.name, sizeof x.name, "%s", name);
    out->network[index] = x;
    return TS_OK;
}

static const json_t *list_of(const json_t *o)
{
    const json_t *inner = json_object_get(o, "dist_config");
    return json_is_array(o) ? o : json_object_get(inner ? inner : o, "model_config");
}

static ts_status read_list(const ts_parallel_options *o, const json_t *list, int n, ts_dist_train *out)
{
    int main = 0;
    if (!json_is_array(list))
        return wrong(o, "expected a list of networks, or one under model_config, dist_config");
    if (json_array_size(list) != (size_t)n)
        return ts_error(TS_ERR_USER, "--dist-train-config %s has %zu networks, and the model %d", o->dist_config,
                        json_array_size(list), n);
    for (int i = 0; i < n; i++)
        TS_TRY(read_network(o, json_array_get(list, (size_t)i), n, out, &main));
    out->n = n;
    return main > 1 ? wrong(o, "main_dp is true of more than one network") : TS_OK;
}

/* ---- what it must be ---- */

static int64_t replicas(const ts_dist_network *x)
{
    const int64_t n = x->processes;
    return n % x->tensor || n / x->tensor % x->pipeline || n / x->tensor / x->pipeline % x->context
               ? 0
               : n / x->tensor / x->pipeline / x->context;
}

static ts_status check_network(const ts_parallel_options *o, const ts_dist_network *x, const char *name)
{
    if (strcmp(x->name, name))
        return ts_error(TS_ERR_USER, "--dist-train-config %s: the network %s stands where the model has %s",
                        o->dist_config, x->name, name);
    if (replicas(x))
        return TS_OK;
    return ts_error(TS_ERR_USER,
                    "--dist-train-config %s: %s has a world_size of %lld, which tensor_model_parallel_size %lld times "
                    "pipeline_model_parallel_size %lld times context_parallel_size %lld does not divide",
                    o->dist_config, name, LL(x->processes), LL(x->tensor), LL(x->pipeline), LL(x->context));
}

static ts_status check(const ts_parallel_options *o, const ts_dist_train *d, const char *const *names, int64_t world)
{
    int64_t sum = 0;
    for (int i = 0; i < d->n; i++) {
        const ts_dist_network *x = &d->network[i];
        sum += x->processes;
        TS_TRY(check_network(o, x, names[i]));
        if (replicas(x) != replicas(&d->network[0]))
            return ts_error(TS_ERR_USER,
                            "--dist-train-config %s: %s shares out the batch over %lld replicas and %s over %lld: "
                            "both must have as many (world_size over the other sizes)",
                            o->dist_config, names[0], LL(replicas(&d->network[0])), names[i], LL(replicas(x)));
    }
    if (sum != world)
        return ts_error(TS_ERR_USER, "--dist-train-config %s: the world_size of all networks is %lld together, and "
                                     "there are %lld processes", o->dist_config, LL(sum), LL(world));
    if (d->network[d->n - 1].forward_only)
        return ts_error(TS_ERR_USER, "--dist-train-config %s: %s, the last network, is forward_only: there is nothing "
                                     "to train behind it", o->dist_config, names[d->n - 1]);
    return TS_OK;
}

ts_status ts_dist_train_read(const ts_parallel_options *o, const char *const *names, int n, int64_t world,
                             ts_dist_train *out)
{
    json_t *file;
    *out = (ts_dist_train){ 0 };
    if (!o->dist_train)
        return TS_OK;
    TS_ASSERT(n >= 1 && n <= TS_LINE_NETWORKS, "%d networks", n);
    if (!o->dist_config)
        return ts_error(TS_ERR_USER, "--dist-train: --dist-train-config is missing, a file that says which processes "
                                     "each network has");
    const size_t length = strlen(o->dist_config);
    const bool is_json = length > 5 && !strcmp(o->dist_config + length - 5, ".json");
    TS_TRY(is_json ? ts_json_read(o->dist_config, &file) : ts_yaml_read(o->dist_config, &file, NULL));
    ts_status st = read_list(o, list_of(file), n, out);
    if (st == TS_OK)
        st = check(o, out, names, world);
    json_decref(file);
    return st;
}

ts_status ts_dist_train_alone(const ts_dist_train *d, const ts_parallel_options *o)
{
    const ts_dist_network *x = &d->network[0];
    const struct {
        const char *key, *option;
        int64_t file, said;
    } sizes[] = { { "tensor_model_parallel_size", "tensor-model-parallel-size", x->tensor, o->tensor },
                  { "pipeline_model_parallel_size", "pipeline-model-parallel-size", x->pipeline, o->pipeline },
                  { "context_parallel_size", "context-parallel-size", x->context, o->context } };
    for (size_t i = 0; d->n && i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].file != sizes[i].said)
            return ts_error(TS_ERR_USER, "--dist-train-config %s: %s has %s %lld, and --%s says %lld: give the same",
                            o->dist_config, x->name, sizes[i].key, LL(sizes[i].file), sizes[i].option,
                            LL(sizes[i].said));
    return TS_OK;
}

ts_mesh_shape ts_dist_network_shape(const ts_dist_network *n, const ts_parallel_options *o)
{
    return (ts_mesh_shape){ .tp = (int)n->tensor, .cp = (int)n->context, .pp = (int)n->pipeline,
                            .pp_before_dp = o->pp_before_dp };
}
