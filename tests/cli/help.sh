#!/bin/sh
# Help, unknown names, sources of options and their rank.
. "$(dirname "$0")/lib.sh"
expect 0 "commands:" "$T" help
expect 2 "a command is missing" "$T"
expect 2 "there is no command pretrane. Did you mean pretrain?" "$T" pretrane
for c in $("$T" help | sed -n 's/^  \([a-z-]*\)  .*/\1/p'); do
    expect 0 "tessera $c:" "$T" help "$c"
    expect 0 "tessera $c" "$T" "$c" --help
    expect 2 "no option of this command: --no-such-option" "$T" "$c" --no-such-option
done
expect 2 "did you mean --num-layers" "$T" pretrain --num-layer 3
expect 2 "--lr: its value is missing" "$T" pretrain --lr
expect 2 "--lr: \"fast\" is not a number" "$T" pretrain --lr fast
expect 2 "--micro-batch-size: -1 is out of range" "$T" pretrain --micro-batch-size -1
expect 2 "is none of" "$T" pretrain --lr-decay-style steep
make_data
printf 'lr: 0.5\nnum_layers: 2\nsection:\n  hidden-size: 32\n' >"$D/c.yaml"
printf '{"lr": "fast"}' >"$D/bad.json"
expect 2 "in $D/bad.json, key lr" train --config "$D/bad.json"
# the command line wins over the file, whatever the order
expect 0 "iterations 1 to 8" train --lr 1e-3 --config "$D/c.yaml"
printf 'layers: 3\n' >"$D/unknown.yaml"
expect 2 "no option of this command: --layers in $D/unknown.yaml:1" train --config "$D/unknown.yaml"
expect 0 "iterations 1 to 3" env TESSERA_TRAIN_ITERS=3 "$T" pretrain $shape $batch --data-path "$D/data_text_document"
expect 2 "environment variable TESSERA_LR" env TESSERA_LR=fast "$T" pretrain $shape --train-iters 2 --seq-length 16
finish
