"""Pictures of workflows and executions, as text that needs nothing else.

`graph_svg` draws what a workflow is (`graph_mermaid` and `graph_dot` let other programs do it), and
`outcome` says what has become of its steps. `timeline_svg` and `timeline_text` (for a terminal)
draw when what happened in an execution, and `execution_html` is a page with all of it. They are
made of a `trioflow.timelines.Timeline`, which arranges a history by steps.
"""

from trioflow.pictures._columns import timeline_text
from trioflow.pictures._flowchart import graph_dot, graph_mermaid
from trioflow.pictures._gantt import timeline_svg
from trioflow.pictures._graph import graph_svg
from trioflow.pictures._page import Outcome, execution_html, outcome

__all__ = [
    "Outcome",
    "execution_html",
    "graph_dot",
    "graph_mermaid",
    "graph_svg",
    "outcome",
    "timeline_svg",
    "timeline_text",
]
