"""The native kernel is the only thing pyproject.toml cannot say."""

from setuptools import setup

setup(
    cffi_modules=["lmzip/native/build_kernel.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
