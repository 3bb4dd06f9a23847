/* The simulated device: it allocates nothing and computes nothing. Every launch adds its cost to
 * the kernel's row and the time that the described hardware would need to the clock. */
#ifndef TS_DEVICE_SIM_SIM_H
#define TS_DEVICE_SIM_SIM_H
#include "device/device.h"

/* What the simulated machine can do. Rates are what good kernels sustain, not data-sheet peaks. */
typedef struct ts_sim_hardware {
    char name[128];
    bool is_gpu;                  /* no packed weights, no work space of threads */
    unsigned isa;                 /* of a CPU: how its weights are packed */
    int threads;                  /* work space of a CPU */
    /* per second, one rank's device, in products; bf16 (a GPU's fp16 too) */
    double flops_f32, flops_16;
    double flops_8;               /* 8-bit integers; 0: those of flops_16 */
    double attention_share;       /* of these rates, in attention */
    double bytes_per_second;      /* memory */
    double seconds_per_launch;
    double network_bytes_per_second, network_latency; /* between ranks */
    double host_bytes_per_second, host_latency; /* of one host; 0: those of the network */
    double swap_bytes_per_second; /* between the device and the host's memory, beside its work; 0: that is one
                                     memory, and what works copies */
    double flops_peak; /* of the data sheet, in 16 bits; 0: not known */
    double memory_bytes;          /* of one host; 0: not known */
    double cores;                 /* of one host, whose processes take turns where they have more threads; 0: not known */
} ts_sim_hardware;

/* `threads` cores (0: all) of the machine that the program runs on, from instruction sets (TS_ISA_*;
 * ts_isa_detect gives its own) and usual rates. */
void ts_sim_hardware_here(ts_sim_hardware *hw, unsigned isa, int threads);
/* Opens a simulated device of this hardware; ts_sim_open takes the machine at hand. */
ts_status ts_sim_open_hardware(const ts_sim_hardware *hw, ts_device **out) TS_NODISCARD;
const ts_sim_hardware *ts_sim_hardware_of(const ts_device *sim);
/* Seconds that all launches so far would have taken, and its increase by something else
 * (messages). */
double ts_sim_seconds(const ts_device *sim);
/* Bytes of activations held, times the seconds that they were: with the bytes taken, how long they
 * live. */
double ts_sim_activation_seconds(const ts_device *sim);
void ts_sim_add_seconds(ts_device *sim, double seconds);
#endif
