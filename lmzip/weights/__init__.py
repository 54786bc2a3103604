"""Files of weights and what lies beside them: safetensors, GGUF, configurations; every size is checked before use."""
