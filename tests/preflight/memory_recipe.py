"""The recipe whose memory is forecast in tests; each changes a field or two of it."""

RECIPE = """
schema: 1
method: sft
about: {title: t, description: d, needs: one GPU, duration: 2 min}
model: {name_or_path: a/model, max_seq_length: 2048, quantization: nf4}
lora: {r: 16, lora_alpha: 16}
data: {sources: [{name_or_path: rows.jsonl, format: text}]}
training: {per_device_train_batch_size: 2, gradient_accumulation_steps: 4}
"""
