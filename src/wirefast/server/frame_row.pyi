from typing import final

@final
class FrameRow: ...
