"""The exact models once more in torch, for devices that take many lanes at once: every integer as the kernel has it.

All of it is tensors and no device's own code, so that what the tests see on torch's CPU device is what runs on a GPU;
only how integers of 8 bits are multiplied differs (products.py).
"""
