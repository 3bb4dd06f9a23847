#!/bin/sh
# Where a model's networks have processes of their own: a language model is one network, whose file must say what the
# options say; what a file cannot be is told by all processes before anything is read.
. "$(dirname "$0")/lib.sh"
needs_mpi
make_data
common="$shape $batch --data-path $D/data_text_document --train-iters 8 --dist-train --dist-train-config $D/networks.json"
network() { # network NAME INDEX PROCESSES SIZES
    printf '{"name": "%s", "model_index": %s, "world_size": %s%s}' "$@"
}
# shellcheck disable=SC2086
{
    echo "{\"dist_config\": {\"model_name\": \"gpt\", \"model_config\": [$(network gpt 0 2 \
        ', "tensor_model_parallel_size": 2')]}}" >"$D/networks.json"
    expect 2 "gpt has tensor_model_parallel_size 2, and --tensor-model-parallel-size says 1: give the same" \
        "$T" plan $common --world-size 2
    expect 2 "is 2 together, and there are 4 processes" "$T" plan $common --world-size 4
    expect 0 "group tp" "$T" plan $common --world-size 2 --tensor-model-parallel-size 2
    expect 0 "" on 2 "$T" pretrain $common --tensor-model-parallel-size 2
    echo "[$(network vit 0 1 ', "forward_only": true'), $(network gpt 1 1 '')]" >"$D/networks.json"
    expect 2 "has 2 networks, and the model 1" "$T" plan $common --world-size 2
    expect 2 "has 2 networks, and the model 1" on 2 "$T" pretrain $common
    expect 2 "--dist-train-config is missing" "$T" plan $shape $batch --train-iters 8 --mock-data --dist-train --world-size 2
    expect 0 "--dist-train-config has no effect without --dist-train" "$T" pretrain $shape $batch --train-iters 8 \
        --mock-data --dist-train-config "$D/networks.json"
}
finish
