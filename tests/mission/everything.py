"""Every example behind one application, each mounted at its module's name."""

import importlib
import pkgutil

from wirefast import App

app = App()
for module in pkgutil.iter_modules(__import__("mission").__path__):
    if module.name != "everything":
        app.mount(f"/{module.name}", importlib.import_module(f"mission.{module.name}").app)
