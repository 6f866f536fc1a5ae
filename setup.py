"""The build step that pyproject.toml cannot express: native code, where there is a compiler.

Everything else about the package is declared in pyproject.toml. The library has a plain C interface, so the wheel is of
one platform but of every Python.
"""

import runpy
import warnings
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

BUILD_FILE = Path(__file__).parent / "src" / "omniloom" / "kernels" / "build.py"


class BuildNative(build_py):
    """Compiles the native operators in place, before the package's files are gathered."""

    def run(self) -> None:
        try:
            runpy.run_path(str(BUILD_FILE))["build"]()
        except RuntimeError as error:
            warnings.warn(f"native operators are left out, slower torch code serves instead: {error}", stacklevel=1)
        super().run()


class NativeWheel(bdist_wheel):
    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


class NativeDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True


setup(cmdclass={"build_py": BuildNative, "bdist_wheel": NativeWheel}, distclass=NativeDistribution)
