#!/usr/bin/env python3
"""Reads event files with TensorBoard's own reader and prints what it finds. usage: check_events.py FOLDER"""
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

acc = EventAccumulator(sys.argv[1])
acc.Reload()
for tag in acc.Tags()["scalars"]:
    print(tag, [(e.step, e.value) for e in acc.Scalars(tag)])
for tag in acc.Tags()["tensors"]:
    print(tag, [(e.step, list(e.tensor_proto.string_val) or e.tensor_proto) for e in acc.Tensors(tag)])
