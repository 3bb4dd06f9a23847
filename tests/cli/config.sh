#!/bin/sh
# Configurations as people write them: sections, names of other programs, all options as YAML and back.
. "$(dirname "$0")/lib.sh"
make_data
for k in input_ids labels; do
    for e in bin idx; do
        cp "$D/data_text_document.$e" "$D/rows_packed_${k}_document.$e"
    done
done
says() { # of the last command's standard error
    for t; do
        checks=$((checks + 1))
        grep -qF -e "$t" "$D/err" || wrong "no \"$t\" in: $(cat "$D/err")"
    done
}
tune() {
    # shellcheck disable=SC2086
    "$T" posttrain $shape --data-path "$D/rows" --log-interval 1000 "$@"
}

# LLaMA-Factory's file of a full run: 40 samples, 2 passes in batches of 2 x 4
cat >"$D/lf.yaml" <<END
### method
stage: sft
do_train: true
finetuning_type: full
cutoff_len: 16
preprocessing_num_workers: 16
output_dir: $D/run
overwrite_output_dir: true
logging_steps: 10
save_steps: 5
report_to: none
plot_loss: true
per_device_train_batch_size: 2
gradient_accumulation_steps: 4
learning_rate: 1.0e-3
num_train_epochs: 2.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
ddp_timeout: 180000000
resume_from_checkpoint: null
max_steps: -1
END
expect 0 "iterations 1 to 10" tune --config "$D/lf.yaml"
says "learning_rate: 0.001 -> --lr 0.001" "lr_scheduler_type: cosine -> --lr-decay-style cosine" \
    "output_dir: $D/run -> --save-hf $D/run/hf" "output_dir: $D/run -> --save $D/run/checkpoints" \
    "ddp_timeout: 180000000 -> without effect here" "finetuning_type: full -> all weights are trained" \
    "weight_decay, left out: LLaMA-Factory's default -> --weight-decay 0" "overwrite_output_dir: true -> --override-checkpoints"
for f in "$D/run/hf/config.json" "$D/run/checkpoints/iter_0000005"; do
    checks=$((checks + 1))
    [ -e "$f" ] || wrong "no $f"
done
# the same by its own options, in steps
own="--stage sft --seq-length 16 --micro-batch-size 2 --global-batch-size 8 --lr 1e-3 --lr-decay-style cosine
    --lr-warmup-fraction 0.1 --weight-decay 0 --split 100,0,0 --eval-iters 0 --train-iters 10"
# shellcheck disable=SC2086
expect 0 "iterations 1 to 10" tune $own --metrics-jsonl "$D/own.jsonl"
expect 0 "iterations 1 to 10" tune --config "$D/lf.yaml" --metrics-jsonl "$D/lf.jsonl"
curve "$D/own.jsonl" >"$D/a"
curve "$D/lf.jsonl" >"$D/b"
same "$D/a" "$D/b"
expect 0 "iterations 1 to 3" tune --config "$D/lf.yaml" --train-iters 3
says "--num-train-epochs has no effect beside --train-iters"
expect 0 "iterations 1 to 6" tune --config "$D/lf.yaml" --num-train-epochs 1.1
expect 2 "--num-train-epochs counts samples that" "$T" pretrain $shape --seq-length 16 --lr 1 --data-path x --num-train-epochs 2

# what cannot be meant, all of it at once
printf 'learning_rate: 1e-4\nlr: 1e-3\nlr_scheduler_type: polynomial\nuse_badam: true\nlearning_rat: 3\ndeepspeed: /no/such.json\n' >"$D/bad.yaml"
expect 2 "lr in $D/bad.yaml:2 sets --lr, which learning_rate in $D/bad.yaml:1 sets too" train --config "$D/bad.yaml"
says "--learning_rat in $D/bad.yaml:5 (did you mean learning_rate" "lr_scheduler_type: polynomial in $D/bad.yaml:3: none of linear, cosine," "--use_badam: true in $D/bad.yaml:4: there is no BAdam" \
    "/no/such.json: cannot be opened"
printf 'do_train: true\nlora_rank: 4\n' >"$D/lora.yaml"
expect 2 "--lora_rank in $D/lora.yaml:2: --lora-r 4, no option of this command" "$T" infer --load x --config "$D/lora.yaml"

# new tokens in LLaMA-Factory's words, and with its numbers; words that have no counterpart ask for nothing where they are off
printf 'do_train: true\nstage: sft\nfinetuning_type: full\nadd_special_tokens: "<a>,<b>"\nsplit_special_tokens: false\ndefault_system: null\n' \
    >"$D/tokens.yaml"
tune --config "$D/tokens.yaml" --print-config >"$D/print.yaml" 2>"$D/err" || wrong "$(cat "$D/err")"
for t in 'add_special_tokens: \["<a>,<b>"\]' 'new_tokens_init: "noise"' "resize_vocab_to_multiple_of: 64 "; do
    checks=$((checks + 1))
    grep -q "^$t" "$D/print.yaml" || wrong "no $t in what --print-config says: $(cat "$D/err")"
done
printf 'tool_format: qwen\ninit_special_tokens: desc_init\nsplit_special_tokens: true\n' >"$D/tokens.yaml"
expect 2 "tool_format: qwen in $D/tokens.yaml:1: a template has its own" tune --config "$D/tokens.yaml"
says "split_special_tokens: true in $D/tokens.yaml:3"
# TRL's DPOConfig
printf 'stage: dpo\nbeta: 0.3\nloss_type: hinge\nlabel_smoothing: 0.1\nf_divergence_type: reverse_kl\n' >"$D/trl.yaml"
"$T" posttrain --config "$D/trl.yaml" --print-config >"$D/print.yaml" 2>"$D/err" || wrong "$(cat "$D/err")"
for t in "dpo_beta: 0.3 " 'dpo_loss_type: "hinge"' "dpo_label_smoothing: 0.1 "; do
    checks=$((checks + 1))
    grep -q "^$t" "$D/print.yaml" || wrong "no $t in what --print-config says: $(cat "$D/err")"
done

# the last layers alone
printf 'stage: sft\nfinetuning_type: freeze\nfreeze_trainable_layers: 1\nmodel_name_or_path: %s\n' "$D/run/hf" >"$D/freeze.yaml"
expect 0 'freeze: ["embedding", "final_layernorm", "output_layer", "layers.{0-0}"]' "$T" posttrain --config "$D/freeze.yaml" --print-config
says "freeze_trainable_layers: 1 -> part of --freeze"
expect 2 "--stage is missing, or pt" tune --stage pt
printf 'lr: 1\nstage: sft\nlr: 2\ntrain_iters: 1\n' >"$D/twice.yaml"
expect 2 "line 3: this key has been there before" tune --config "$D/twice.yaml"

# adapters and preferences: a stage of its own for two of the losses, whose beta it is, and that program's defaults
printf 'stage: dpo\npref_loss: orpo\npref_beta: 0.2\nfinetuning_type: lora\nlora_rank: 4\nlora_target: q_proj,v_proj\noutput_dir: o\n' >"$D/orpo.yaml"
tune --config "$D/orpo.yaml" --print-config >"$D/print.yaml" 2>"$D/err" || wrong "$(cat "$D/err")"
for t in 'stage: "orpo"' "orpo_beta: 0.2 " "lora_r: 4 " "lora_alpha: 8 " 'lora_target_modules: \["q_proj", "v_proj"\]' 'save_peft: "o/peft"' \
    "micro_batch_size: 8 " "num_train_epochs: 3 "; do
    checks=$((checks + 1))
    grep -q "^$t" "$D/print.yaml" || wrong "no $t in what --print-config says: $(cat "$D/err")"
done
# TRL's words
printf 'stage: sft\nuse_peft: true\ndataset_name: chats.jsonl\nload_in_4bit: true\noutput_dir: o\nassistant_only_loss: true\n' >"$D/trl.yaml"
"$T" posttrain --config "$D/trl.yaml" --print-config >"$D/print.yaml" 2>"$D/err" || wrong "$(cat "$D/err")"
for t in "lora_r: 16 " "qlora: true " 'save_peft: "o/peft"' 'data_path: \["chats.jsonl"\]'; do
    checks=$((checks + 1))
    grep -q "^$t" "$D/print.yaml" || wrong "no $t in what --print-config says: $(cat "$D/err")"
done
printf 'stage: sft\nassistant_only_loss: false\n' >"$D/trl.yaml"
expect 2 "assistant_only_loss: false in $D/trl.yaml:2: the loss is of answers" tune --config "$D/trl.yaml"

# DeepSpeed's file, and its options in place
printf '{"zero_optimization": {"stage": 2}, "bf16": {"enabled": true}, "gradient_clipping": "auto"}' >"$D/ds.json"
printf 'deepspeed: %s\ntrain_iters: 2\n' "$D/ds.json" >"$D/c.yaml"
expect 0 "data_parallel_sharding_strategy: \"optim_grads\"" train --config "$D/c.yaml" --print-config
expect 0 "bf16: true" train --config "$D/c.yaml" --print-config
printf 'deepspeed:\n  zero_optimization:\n    stage: 1\n' >"$D/c.yaml"
expect 0 "use_distributed_optimizer: true" train --config "$D/c.yaml" --print-config

# all options, their values and where they are from; read back they are the same, given and not
printf 'training:\n  lr: 1e-5\n  data_path: [a b, c]\n' >"$D/c.yaml"
TESSERA_SEED=7 "$T" pretrain --config "$D/c.yaml" --bf16 --print-config >"$D/1.yaml" 2>"$D/err" || wrong "$(cat "$D/err")"
for t in "lr: 1.0e-05 * # $D/c.yaml:2" "seed: 7 * # TESSERA_SEED" "bf16: true * # command line" \
    "adam_beta1: 0.9 * # default" "save: null * # not given" 'data_path: \["a b", "c"\]' "given: \[bf16, data_path, seed, lr\]"; do
    checks=$((checks + 1))
    grep -q -e "^$t" "$D/1.yaml" || wrong "no $t in: $(head -n 20 "$D/1.yaml")"
done
"$T" pretrain --config "$D/1.yaml" --print-config >"$D/2.yaml"
for i in 1 2; do
    sed 's/ *#.*//' "$D/$i.yaml" >"$D/$i"
done
same "$D/1" "$D/2"
# what is changed there counts as given
sed 's/^adam_beta1: 0.9 /adam_beta1: 0.8 /' "$D/1.yaml" >"$D/3.yaml"
expect 0 "given: [bf16, data_path, seed, lr, adam_beta1]" "$T" pretrain --config "$D/3.yaml" --print-config
expect 2 "no option of this command: --zzz" "$T" pretrain --zzz --print-config
expect 2 "--global-batch-size and --gradient-accumulation-steps contradict" train --gradient-accumulation-steps 2
finish
