"""TARGET of the command line: from ``module:app`` or the path of a file to the application that it names.

A mistake of the user is a `CommandError`: one line that names it and says what to do.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from starlette.applications import Starlette

from wirefast._core.source_location import for_importers
from wirefast.cli.errors import REFUSED, CommandError

_FACTORY = re.compile(r"(create|make|build|get|new)_(app|application|asgi)|app_factory|factory")
FORMS = "write module:app or a path to a .py file"


@dataclass(frozen=True)
class Target:
    """An application to serve.

    Attributes:
        module: dotted name of the module to import.
        attribute: dotted path of the application inside the module.
        directory: first entry for ``sys.path``.
        file: the file that the user named, or None for a module.
        is_named: whether the user named the attribute.
    """

    module: str
    attribute: str
    directory: Path
    file: Path | None = None
    is_named: bool = True

    @property
    def import_string(self) -> str:
        """The application in uvicorn's form, ``module:attribute``."""
        return f"{self.module}:{self.attribute}"

    @classmethod
    def parse(cls, text: str, app_dir: str = "") -> Target:
        """Read ``module``, ``module:attribute``, ``path/to/file.py`` or ``path/to/file.py:attribute``.

        Args:
            text: the TARGET of the command line; the attribute is ``app`` when it names none.
            app_dir: where a module is looked for, the working directory when empty.

        Raises:
            CommandError: the text has another form, or the file does not exist.
        """
        source, colon, attribute = text.rpartition(":")
        if not colon:
            source, attribute = text, "app"
        if not all(part.isidentifier() for part in attribute.split(".")):
            raise CommandError(f"{attribute!r} in {text!r} is no attribute name; {FORMS}")
        if source.endswith(".py") or os.sep in source:
            return cls._of_file(Path(source), attribute, bool(colon))
        if not all(source.split(".")):
            raise CommandError(f"{source!r} in {text!r} is no module name; {FORMS}")
        return cls(source, attribute, Path(app_dir).absolute(), is_named=bool(colon))

    @classmethod
    def _of_file(cls, path: Path, attribute: str, is_named: bool) -> Target:
        if path.is_dir():
            raise CommandError(f"'{path}' is a directory; name a .py file in it, or use module:app")
        if not path.exists():
            near = _near(path.name, sorted(path.parent.glob("*.py")))
            raise CommandError(f"no such file: '{path}'" + (f"; did you mean '{near}'?" if near else ""))
        if path.suffix != ".py" or "." in path.stem:
            raise CommandError(f"'{path}' cannot be imported; the name of the file must be NAME.py, without other dots")
        file = path.resolve()
        names = [] if file.name == "__init__.py" else [file.stem]
        directory = file.parent
        # A file of a package is imported by its full name, so that its relative imports work.
        while directory.name and (directory / "__init__.py").is_file():
            names.insert(0, directory.name)
            directory = directory.parent
        return cls(".".join(names), attribute, directory, file, is_named)

    def locate(self) -> None:
        """Check that the module exists, without running its code.

        Raises:
            CommandError: there is no such module, or another module of the same name comes first.
        """
        top = self.module.partition(".")[0]
        try:
            spec = importlib.util.find_spec(top)
        except ValueError:  # a module without a spec, such as __main__
            spec = None
        if self.file is not None:
            # With a name of the standard library or of an installed package, that module would be served instead.
            ours = self.file if self.module == top else self.directory / top / "__init__.py"
            if spec is None or spec.origin != str(ours):
                other = spec.origin if spec is not None and spec.origin else "another module"
                raise CommandError(f"'{self.file}' cannot be imported, because {top!r} means {other}; rename the file")
        elif spec is None:
            raise self._missing(self.module)

    def load(self) -> object:
        """Import the module and return the application.

        Raises:
            CommandError: there is no such module or attribute, or it cannot be called. When the module itself raised,
                its traceback has been printed.
        """
        try:
            value: object = importlib.import_module(self.module)
        except Exception as exc:
            if isinstance(exc, ModuleNotFoundError) and exc.name and f"{self.module}.".startswith(f"{exc.name}."):
                raise self._missing(exc.name) from None
            from wirefast.rooms.brokers import BrokerUnavailable, InvalidBrokerURL  # only for an application that fails

            origin = self.file or self.module
            if isinstance(exc, (BrokerUnavailable, InvalidBrokerURL)):  # which say it all
                raise CommandError(f"'{origin}': {exc}", REFUSED) from None
            traceback.print_exception(*for_importers(exc))
            raise CommandError(
                f"'{origin}' raised {type(exc).__name__} while it was imported, see above", REFUSED
            ) from None
        path = self.module
        for name in self.attribute.split("."):
            try:
                value = getattr(value, name)
            except AttributeError:
                raise CommandError(f"{path!r} has no attribute {name!r}; {self._hint(name, value)}") from None
            path = f"{path}:{name}" if path == self.module else f"{path}.{name}"
        if not callable(value):
            raise CommandError(f"{path!r} is {_article(type(value).__name__)}, which is not an application")
        return value

    def _hint(self, name: str, value: object) -> str:
        """Return a hint for a name that an object does not have."""
        near = difflib.get_close_matches(name, dir(value), n=1) if self.is_named else []
        if near:
            return f"did you mean {near[0]!r}?"
        if isinstance(value, ModuleType):
            here = self.file is None or self.directory == Path.cwd()
            source = self.module if here else os.path.relpath(self.file or "")
            found = [f"{source}:{each}" for each in applications(value)]
            found = found or [f"{source}:{each} with --factory" for each in factories(value)]
            if found:
                return f"did you mean {' or '.join(found[:3])}?"
        return f"name the application: {self.module}:NAME"

    def _missing(self, name: str) -> CommandError:
        *packages, last = name.split(".")
        found = [*self.directory.joinpath(*packages).glob("*.py"), *self.directory.joinpath(*packages).glob("*/")]
        near = _near(last, [each.with_suffix("") for each in found if each.stem.isidentifier()])
        advice = "use --app-dir DIR or a path to a .py file"
        if near is not None:
            advice = f"did you mean {'.'.join([*packages, near.name])!r}?"
        return CommandError(f"no module named {name!r} in '{self.directory}' or installed; {advice}")


def applications(module: ModuleType) -> list[str]:
    """Return the names of the applications of a module, in the order of their definition."""
    return [name for name, value in vars(module).items() if isinstance(value, Starlette)]


def factories(module: ModuleType) -> list[str]:
    """Return the names of a module's functions that make an application, by their name or annotation."""
    found = []
    for name, value in vars(module).items():
        if not inspect.isfunction(value) or value.__module__ != module.__name__:
            continue
        parameters = inspect.signature(value).parameters.values()
        result = value.__annotations__.get("return")
        is_class = isinstance(result, type) and issubclass(result, Starlette)
        made = str(result).rpartition(".")[2].strip("'\"") in ("App", "FastAPI", "Starlette")
        if (is_class or made or _FACTORY.fullmatch(name)) and all(
            each.default is not each.empty or each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
            for each in parameters
        ):
            found.append(name)
    return found


def find_target(text: str, app_dir: str | None = "") -> Target:
    """Read a TARGET and make its module importable, without running its code.

    Args:
        text: see `Target.parse`.
        app_dir: where a module is looked for: the working directory when empty, the path of Python when None.

    Raises:
        CommandError: there is no such directory, file or module, or the text has another form.
    """
    if app_dir and not os.path.isdir(app_dir):
        raise CommandError(f"--app-dir: no such directory: '{app_dir}'")
    target = Target.parse(text, app_dir or "")
    if app_dir:
        sys.path.insert(0, str(Path(app_dir).absolute()))
    if app_dir is not None or target.file is not None:
        sys.path.insert(0, str(target.directory))
    target.locate()
    return target


def _near(name: str, paths: Iterable[Path]) -> Path | None:
    """Return the path whose name is nearest to a name that does not exist; None if no path is near."""
    by_name = {path.name: path for path in paths}
    near = difflib.get_close_matches(name, by_name, n=1)
    return by_name[near[0]] if near else None


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0].lower() in "aeiou" else f"a {noun}"
