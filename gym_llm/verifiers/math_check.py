"""The symbolic comparison of two answers by math-verify; `gym_llm.verifiers.math` runs it in a worker.

Importing this takes a second, and the library's time limits need the main thread of their process.
"""

import functools
from typing import Any

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
from math_verify.errors import TimeoutException
from math_verify.utils import timeout

_GOLD = (LatexExtractionConfig(),)
_PREDICTION = (ExprExtractionConfig(), LatexExtractionConfig())
_DECIMALS = 6
"""Numbers are rounded to this many before they are compared."""


def check(payload: tuple[str, str, float]) -> dict[str, Any]:
    """Compare a response with the gold answer; the steps are those of the library's ``math_metric``.

    Args:
        payload: the gold answer, in a box or LaTeX delimiters; the response; the seconds for all of it.
            Reading a text, and comparing two expressions, may take half of that; with ten seconds these
            are the library's own limits. After a limit the next expression has its turn.

    Returns:
        ``reward`` 1.0 or 0.0, and ``extracted``: the answer found that equals the gold one as text, else
        the first one found, else None.

    Raises:
        ValueError: the gold answer cannot be read. TimeoutError: writing an answer down takes too long.
    """
    gold, response, limit_s = payload
    step_s = max(1, int(limit_s / 2))
    predictions = parse(response, _PREDICTION, parsing_timeout=step_s)
    golds = _parse_gold(gold, step_s)
    extracted = _extracted(golds, predictions)
    is_equal = verify(golds, predictions, _DECIMALS, timeout_seconds=step_s)
    return {"reward": float(is_equal), "extracted": extracted}


@functools.lru_cache(maxsize=1024)
def _parse_gold(text: str, limit_s: int) -> list[Any]:
    # Rollouts of one task come close together. A gold answer that could not be read is tried again.
    golds: list[Any] = parse(text, _GOLD, parsing_timeout=limit_s)
    if not golds:
        raise ValueError("the gold answer cannot be read")
    return golds


def _extracted(golds: list[Any], predictions: list[Any]) -> str | None:
    try:
        gold_texts, texts = _texts(golds), _texts(predictions)
    except TimeoutException as error:
        raise TimeoutError("writing an answer down takes too long") from error
    except Exception:
        # For example an integer with more digits than Python writes; it can still be compared.
        return None
    equal = {gold.strip() for gold in gold_texts}
    return next((text for text in texts if text.strip() in equal), texts[0] if texts else None)


@timeout(2)  # type: ignore[untyped-decorator]
def _texts(expressions: list[Any]) -> list[str]:
    return [str(expression) for expression in expressions]
