"""What is wider than the page: a style that all pages share, by the class `pellucid-sideways`.

Such a thing is moved within a frame of its own, so that the page stays where it is; a shade at an edge of the frame
says that more lies beyond it. Where the frame has another ground than the page, `--under` names it.
"""

SIDEWAYS = """\
.pellucid-sideways {
  overflow-x: auto;
  background: linear-gradient(to right, var(--under, var(--paper)) 40%, transparent),
    linear-gradient(to left, var(--under, var(--paper)) 40%, transparent) 100% 0,
    linear-gradient(to right, rgb(128 128 128 / 45%), transparent),
    linear-gradient(to left, rgb(128 128 128 / 45%), transparent) 100% 0;
  background-color: var(--under, var(--paper));
  background-repeat: no-repeat;
  background-size: 2.5rem 100%, 2.5rem 100%, 0.8rem 100%, 0.8rem 100%;
  background-attachment: local, local, scroll, scroll;
}
"""
