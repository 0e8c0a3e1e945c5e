from typing import final

@final
class HeaderLine: ...
