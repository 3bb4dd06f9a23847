#!/usr/bin/env python3
"""Makes tests/golden/io/events.bin by TensorBoard's own writer; scripts/check_events.py is the other direction.

Run from the project's root; needs tensorboard.
"""
import struct
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.summary.writer.record_writer import RecordWriter

out = Path("tests/golden/io/events.bin")
text = Summary.Value(tag="args/text_summary", tensor=TensorProto(dtype=7, string_val=[b"--lr **1e-3**"]))
text.tensor.tensor_shape.dim.add(size=1)
text.metadata.plugin_data.plugin_name = "text"
with open(out, "wb") as f:
    w = RecordWriter(f)
    w.write(Event(wall_time=1700000000.25, file_version="brain.Event:2").SerializeToString())
    values = [Summary.Value(tag=t, simple_value=v) for t, v in (("lm loss", 10.5), ("learning-rate", 1e-4), ("zero", 0.0))]
    w.write(Event(wall_time=1700000001.5, step=3, summary=Summary(value=values)).SerializeToString())
    start = SessionLog(status=SessionLog.SessionStatus.Value("START"))
    w.write(Event(wall_time=1700000001.75, step=4, session_log=start).SerializeToString())
    w.write(Event(wall_time=1700000002.0, step=0, summary=Summary(value=[text])).SerializeToString())
    w.flush()
