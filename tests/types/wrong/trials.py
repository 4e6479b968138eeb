# pyright: strict
"""What a node gives when it is tried has the type that it declares: every line marked `wrong` is refused."""

from nodeflow.testing import run_node
from nodes_under_test import Image, Mask, blur, fetch, plain, soften, split

picture = Image()

mask: Mask = run_node(blur, image=picture).value  # wrong: a picture for a mask
image: Image = run_node(split, image=picture).value  # wrong: both parts for one
text: str = run_node(fetch, url="fox").value  # wrong: a picture for a text
soft: Mask = run_node(soften, image=picture).value  # wrong: a picture for a mask
run_node(plain, image=picture)  # wrong: a function that is no node
