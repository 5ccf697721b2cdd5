"""Real training processes, hurt again and again: does every run end as if nothing had happened?"""
