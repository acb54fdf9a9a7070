"""Actions for worker processes, which must be able to import them."""

import trioflow


@trioflow.action("isolated.spin", isolation="process")
def spin() -> None:
    while True:
        pass
