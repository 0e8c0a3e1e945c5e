"""FastAPI's WebSocket layer, compiled. ``from wirefast import App, WebSocket, Depends``; the rest is as in FastAPI."""

from starlette import status as status

from wirefast.applications import App as App
from wirefast.applications import FastAPI as FastAPI
from wirefast.background import BackgroundTasks as BackgroundTasks
from wirefast.datastructures import UploadFile as UploadFile
from wirefast.exceptions import HTTPException as HTTPException
from wirefast.exceptions import Refuse as Refuse
from wirefast.exceptions import WebSocketException as WebSocketException
from wirefast.limits.limits import Limits as Limits
from wirefast.limits.rates import Rate as Rate
from wirefast.param_functions import Body as Body
from wirefast.param_functions import Cookie as Cookie
from wirefast.param_functions import Depends as Depends
from wirefast.param_functions import File as File
from wirefast.param_functions import Form as Form
from wirefast.param_functions import Header as Header
from wirefast.param_functions import Path as Path
from wirefast.param_functions import Query as Query
from wirefast.param_functions import Security as Security
from wirefast.requests import Request as Request
from wirefast.responses import Response as Response
from wirefast.routing import APIRouter as APIRouter
from wirefast.running import run as run
from wirefast.websockets import WebSocket as WebSocket
from wirefast.websockets import WebSocketDisconnect as WebSocketDisconnect

__version__ = "0.1.0"
