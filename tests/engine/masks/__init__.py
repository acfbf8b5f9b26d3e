"""An oracle for what is trained of a conversation, written apart from the code that it judges"""
