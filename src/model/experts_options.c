#include "model/experts_options.h"

/* an option that decides what is computed */
#define RUN(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_expert_options, field, name, def, lo, hi, choices, "experts", help)

const ts_option ts_expert_option_rows[] = {
    RUN(CHOICE, balancing, "moe-router-load-balancing-type", "aux_loss", 0, 0, TS_CHOICES(TS_MOE_BALANCES),
        "what keeps experts evenly loaded: a loss on the loads of a micro-batch, of each sequence, of all that "
        "the step has seen (each times --moe-aux-loss-coeff); a balanced choice in training (sinkhorn); nothing"),
    RUN(REAL, aux, "moe-aux-loss-coeff", "0", 0, 1e6, NULL,
        "weight of the load-balancing loss of each layer; it is logged, and no part of the lm loss"),
    RUN(REAL, z, "moe-z-loss-coeff", "0", 0, 1e6, NULL,
        "weight of the mean square of the logits' log-sum-exp, which keeps them small; likewise"),
    RUN(REAL, bias_rate, "moe-router-bias-update-rate", "1e-3", 0, 1, NULL,
        "what a step adds to the bias of an expert that had less than its share of tokens, or takes from others "
        "(with --moe-router-enable-expert-bias)"),
    RUN(REAL, capacity, "moe-expert-capacity-factor", NULL, 0, 1e6, NULL,
        "an expert takes at most so many times its even share of a micro-batch's tokens, the others pass it by "
        "(default: all are taken)"),
    RUN(CHOICE, drop, "moe-token-drop-policy", "probs", 0, 0, TS_CHOICES(TS_MOE_DROPS),
        "who passes it by: those of the smallest weights, or the last"),
    TS_ROW(FLAG, ts_expert_options, pads, "moe-pad-expert-input-to-capacity", NULL, 0, 0, NULL, "experts",
           "every expert has as many rows as it may take, empty ones too: the same result, even shapes"),
    RUN(REAL, jitter, "moe-input-jitter-eps", "0", 0, 1, NULL,
        "what the router reads is multiplied with numbers from 1 - eps to 1 + eps in training"),
    RUN(FLAG, fixed, "fix-router", NULL, 0, 0, NULL,
        "tokens go to experts in turn, so that loads are even: for measuring time; the loss says nothing then"),
    TS_ROW(FLAG, ts_expert_options, again, "moe-adaptive-recompute-activation", NULL, 0, 0, NULL, "experts",
           "what experts make of their tokens is not kept but made again in layers of which one had too many in the micro-batch "
           "before, and in the first"),
    TS_ROW(REAL, ts_expert_options, again_above, "moe-adaptive-recompute-activation-scale", "2", 0.001, 1e6, NULL, "experts",
           "too many: more than so many times its even share"),
    TS_ROW(FLAG, ts_expert_options, swaps, "moe-unperm2-mem-optim-swap", NULL, 0, 0, NULL, "experts",
           "experts' results, which the router's gradient needs, wait in the host's memory (of use where the device has one of "
           "its own)"),
    RUN(REAL, gate.capacity, "moe-train-capacity-factor", "1", 0, 1e6, NULL,
        "of --moe-model-type deepspeed_moe: an expert takes at most so many times its even share of a micro-batch's tokens; the "
        "first choices of all tokens come before second ones"),
    RUN(REAL, gate.capacity_alone, "moe-eval-capacity-factor", NULL, 1e-6, 1e6, NULL,
        "the same in evaluation, as DeepSpeed has it (default: as in training, as MindSpeed has it)"),
    RUN(INT, gate.least, "moe-min-capacity", "4", 0, 1 << 30, NULL, "and always so many (of a micro-batch that has as many)"),
    RUN(CHOICE, gate.noise, "noisy-gate-policy", "None", 0, 0, TS_CHOICES(TS_MOE_NOISES),
        "of deepspeed_moe, in training: what the router reads is multiplied with numbers from 0.99 to 1.01; the choice is drawn "
        "by the softmax (Gumbel's noise; of one expert a token)"),
    RUN(FLAG, gate.no_draws, "no-use-rts", NULL, 0, 0, NULL,
        "of deepspeed_moe with one expert a token: of too many the first have room, not those that are drawn (random token "
        "selection)"),
    RUN(FLAG, gate.sinkhorn, "moe-use-sinkhorn", NULL, 0, 0, NULL,
        "of deepspeed_moe: in training the choice is balanced by Sinkhorn's iteration; weights are the scores"),
    RUN(FLAG, gate.no_drop, "moe-no-drop", NULL, 0, 0, NULL, "of deepspeed_moe: experts take all that comes"),
    TS_ROW(FLAG, ts_expert_options, gate.dynamic, "moe-dynamic-padding", NULL, 0, 0, NULL, "experts",
           "of --moe-no-drop: experts have the rows that come and no others, as they have without"),
    TS_ROW_IS(TS_OPTION_PLACE, TEXT, ts_expert_options, record, "moe-routing-record", NULL, 0, 0, NULL, "experts",
              "a file for the experts that each token of each training step goes to, to be replayed by other runs "
              "(docs/moe.md)"),
    TS_ROW_IS(TS_OPTION_DECIDES, TEXT, ts_expert_options, replay, "moe-routing-replay", NULL, 0, 0, NULL, "experts",
              "such a file: tokens of training go to the experts that are in it, in any layout; their weights are "
              "still the router's (Megatron Core's moe_enable_routing_replay)"),
};
const size_t ts_expert_option_count = sizeof ts_expert_option_rows / sizeof *ts_expert_option_rows;

static const char *const gate_names[] = { "moe-train-capacity-factor", "moe-eval-capacity-factor", "moe-min-capacity",
                                          "noisy-gate-policy", "no-use-rts", "moe-use-sinkhorn", "moe-no-drop", "moe-dynamic-padding" };

/* What DeepSpeed's gate has in other ways, or not. */
static ts_status check_gate(const ts_expert_options *o, const ts_option_set *set)
{
    static const char *const others[] = { "moe-expert-capacity-factor", "moe-token-drop-policy", "moe-pad-expert-input-to-capacity",
                                          "moe-input-jitter-eps", "moe-routing-record", "moe-routing-replay" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ts_option_given(set, others[i]))
            return ts_error(TS_ERR_USER, "--%s is not of the gate of --moe-model-type deepspeed_moe (--moe-train-capacity-factor, "
                            "--noisy-gate-policy): leave it out", others[i]);
    if (o->balancing != TS_MOE_AUX && o->balancing != TS_MOE_NONE)
        return ts_error(TS_ERR_USER, "--moe-model-type deepspeed_moe: expected --moe-router-load-balancing-type aux_loss or none "
                                     "(--moe-use-sinkhorn balances the choice)");
    if (o->gate.dynamic && !o->gate.no_drop)
        return ts_error(TS_ERR_USER, "--moe-dynamic-padding needs --moe-no-drop");
    for (int i = 0; i < 2; i++)
        if (o->gate.no_drop && ts_option_given(set, gate_names[i]))
            return ts_error(TS_ERR_USER, "--moe-no-drop: experts take all that comes, --%s says how much they take: give one",
                            gate_names[i]);
    if (o->gate.sinkhorn && o->gate.noise == TS_MOE_NOISE_SAMPLE)
        return ts_error(TS_ERR_USER, "--moe-use-sinkhorn and --noisy-gate-policy RSample both say who is chosen: give one");
    return TS_OK;
}

ts_status ts_expert_options_check(const ts_expert_options *o, const ts_option_set *set, bool deepspeed)
{
    if (deepspeed)
        TS_TRY(check_gate(o, set));
    const bool global = o->balancing == TS_MOE_GLOBAL_AUX && o->aux > 0;
    if (o->pads && o->capacity == 0)
        return ts_error(TS_ERR_USER, "--moe-pad-expert-input-to-capacity needs --moe-expert-capacity-factor, which "
                                     "says what the capacity is");
    if (o->record && o->replay)
        return ts_error(TS_ERR_USER, "--moe-routing-record and --moe-routing-replay: a replayed run chooses nothing that "
                                     "could be recorded; give one");
    if (o->replay && (o->fixed || o->balancing == TS_MOE_SINKHORN))
        return ts_error(TS_ERR_USER, "--moe-routing-replay says which experts tokens go to: leave out %s",
                        o->fixed ? "--fix-router" : "--moe-router-load-balancing-type sinkhorn");
    if (global && ts_option_is_on(set, "recompute-granularity"))
        return ts_error(TS_ERR_USER, "--moe-router-load-balancing-type global_aux_loss goes by what the step has seen "
                                     "so far, which layers that run again cannot ask for: leave out "
                                     "--recompute-granularity, or give aux_loss");
    return TS_OK;
}

void ts_expert_options_warn(const ts_expert_options *o, const ts_option_set *set, const ts_arch *a, bool deepspeed)
{
    static const char *const names[] = { "moe-routing-record", "moe-routing-replay", "moe-router-load-balancing-type", "moe-aux-loss-coeff", "moe-z-loss-coeff",
                                         "moe-expert-capacity-factor", "moe-input-jitter-eps", "fix-router",
                                         "moe-adaptive-recompute-activation", "moe-unperm2-mem-optim-swap" };
    const bool loses = o->balancing == TS_MOE_AUX || o->balancing == TS_MOE_SEQ_AUX || o->balancing == TS_MOE_GLOBAL_AUX;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ts_option_warn_alone(set, names[i], a->n_experts > 0, "a model with experts (--num-experts)");
    for (size_t i = 0; i < sizeof gate_names / sizeof *gate_names; i++)
        ts_option_warn_alone(set, gate_names[i], deepspeed, "--moe-model-type deepspeed_moe");
    if (deepspeed && a->experts_per_token != 1)
        ts_option_warn_alone(set, "no-use-rts", false, "--moe-router-topk 1");
    ts_option_warn_alone(set, "moe-router-bias-update-rate", a->router_bias, "--moe-router-enable-expert-bias");
    ts_option_warn_alone(set, "moe-token-drop-policy", o->capacity > 0, "--moe-expert-capacity-factor");
    ts_option_warn_alone(set, "moe-adaptive-recompute-activation-scale", o->again, "--moe-adaptive-recompute-activation");
    if (o->aux > 0)
        ts_option_warn_alone(set, "moe-aux-loss-coeff", loses,
                             "--moe-router-load-balancing-type aux_loss, seq_aux_loss or global_aux_loss");
}

ts_status ts_expert_options_routes(const ts_expert_options *o, const ts_arch *a, const ts_routes_shape *batch,
                                   int64_t first, int64_t end, bool planned, bool writes, ts_routes **out)
{
    const char *path = o->record ? o->record : o->replay;
    ts_routes_shape s = *batch;
    *out = NULL;
    if (!path || !a->n_experts)
        return TS_OK;
    if (o->replay && a->router_score == TS_ROUTE_SPARSEMIXER)
        return ts_error(TS_ERR_USER, "--moe-routing-replay: this model weighs experts by how they were chosen "
                                     "(sparsemixer), which no file says: leave it out");
    s.experts = a->n_experts + a->zero_experts, s.k = a->experts_per_token, s.layers = a->n_layers;
    return o->record ? ts_routes_record("--moe-routing-record", writes && !planned ? path : NULL, planned, &s, first, out)
                     : ts_routes_replay("--moe-routing-replay", planned ? NULL : path, &s, first, end, out);
}

ts_expert_rules ts_expert_options_rules(const ts_expert_options *o)
{
    const bool loses = o->balancing == TS_MOE_AUX || o->balancing == TS_MOE_SEQ_AUX || o->balancing == TS_MOE_GLOBAL_AUX;
    return (ts_expert_rules){ .aux = loses ? (float)o->aux : 0,
                              .z = (float)o->z,
                              .by_sequence = o->balancing == TS_MOE_SEQ_AUX,
                              .is_global = o->balancing == TS_MOE_GLOBAL_AUX,
                              .sinkhorn = o->balancing == TS_MOE_SINKHORN,
                              .fixed = o->fixed,
                              .capacity = o->capacity,
                              .pads = o->pads,
                              .by_position = o->drop == TS_MOE_DROP_POSITION,
                              .jitter = (float)o->jitter,
                              .again_above = o->again ? o->again_above : 0,
                              .swaps = o->swaps,
                              .bias_rate = o->bias_rate };
}

ts_status ts_expert_options_gate(const ts_expert_options *o, const ts_arch *a, ts_expert_rules *rules)
{
    const ts_gate_options *g = &o->gate;
    const bool one = a->experts_per_token == 1, shares = a->router_score == TS_ROUTE_SOFTMAX;
    const bool sums = a->router_score == TS_ROUTE_CHOSEN || (shares && a->router_norm);
    if (!a->n_experts)
        return TS_OK;
    if ((one ? !shares : a->experts_per_token != 2 || !sums) || a->router_bias || a->router_groups > 1 || a->zero_experts)
        return ts_error(TS_ERR_USER, "--moe-model-type deepspeed_moe: expected a model whose router weighs one expert by its share "
                                     "of a softmax, or two by their shares of each other, without groups, bias or zero experts");
    if (g->noise == TS_MOE_NOISE_SAMPLE && !one)
        return ts_error(TS_ERR_USER, "--noisy-gate-policy RSample draws one expert a token: --moe-router-topk is %lld, expected 1",
                        (long long)a->experts_per_token);
    rules->by_slots = true;
    rules->capacity = g->no_drop ? 0 : g->capacity;
    rules->capacity_alone = g->capacity_alone;
    rules->least = g->least;
    rules->draws = one && !g->no_draws;
    rules->gumbel = g->noise == TS_MOE_NOISE_SAMPLE;
    rules->jitter = g->noise == TS_MOE_NOISE_JITTER ? 0.01f : 0;
    rules->sinkhorn = g->sinkhorn;
    return TS_OK;
}
