"""trains: the only code that may import torch; never Textual"""
