"""Headrace: real-time analytics in SQL and Python.

    import headrace as hr

    @hr.function
    def cents(amount: float) -> int:
        return round(amount * 100)
"""

from headrace.column_types import column, decimal
from headrace.function import Function, function

__all__ = ["Function", "column", "decimal", "function"]
__version__ = "0.1.0"
